-- What the installed command `camb` runs.
require("camb.core").end_on_interrupt()
os.exit(require("camb.cli").main(arg), true)
