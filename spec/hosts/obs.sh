packages='obs-studio xvfb xauth libgl1-mesa-dri libluajit-5.1-2'
lua=5.1
name='OBS Studio'
how='the button of the script, in Xvfb; frames, 30 a second'
run () {
  local c=$HOME/.config/obs-studio
  mkdir -p $c/basic/scenes $c/basic/profiles/Untitled
  cp "$FILE" /take/out/take.flac
  cat > $c/global.ini <<END
[General]
FirstRun=true
LastVersion=486539264
[Basic]
Profile=Untitled
ProfileDir=Untitled
SceneCollection=Untitled
SceneCollectionFile=Untitled
END
  printf '[General]\nName=Untitled\n[Video]\nFPSCommon=30\nBaseCX=320\nBaseCY=240\nOutputCX=320\nOutputCY=240\n' \
    > $c/basic/profiles/Untitled/basic.ini
  cat > $c/basic/scenes/Untitled.json <<END
{"name": "Untitled", "current_scene": "Scene", "modules": {"scripts-tool":
[{"path": "/camb/spec/hosts/obs.lua", "settings": {"path": "/take/out/take.flac"}}]}}
END
  export LIBGL_ALWAYS_SOFTWARE=1
  xvfb-run -a -s '-screen 0 640x480x24' timeout 100 obs --multi || true
  rm -f /take/out/take.flac
}
