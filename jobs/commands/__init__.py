"""One module per ``sq`` command: ``add(commands)`` declares its arguments, ``run(arguments)`` does
it and returns the exit code.
"""
