-- busted in the interpreter that runs this file, whichever one its own command
-- would choose.
require "busted.runner" { standalone = false }
