packages='darktable'
lua=5.4
name='darktable'
how='its function, by darktable-cli --luacmd; nothing ran beside it'
run () {
  cp /camb/doc/page.png /take/out/take.png
  cp "$FILE" /take/out/take.flac
  darktable-cli /take/out/take.png /tmp/out.png --core --configdir /tmp/dt \
    --luacmd 'dofile "/camb/spec/hosts/darktable.lua"'
  rm /take/out/take.flac /take/out/take.png
}
