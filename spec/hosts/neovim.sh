packages=neovim
lua=5.1
name='Neovim'
how=':CambSeparate with --headless; a timer of 10 ms of the same loop'
run () {
  nvim --headless -u NONE -S /camb/spec/hosts/neovim.lua
}
