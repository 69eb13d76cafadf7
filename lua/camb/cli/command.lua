-- What the installed command `camb` runs.
os.exit(require("camb.cli").main(arg), true)
