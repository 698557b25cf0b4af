"""The commands: one dataclass each, its fields the arguments, its docstring the help.

Nothing heavy is imported at the top of these modules: a command imports what it needs when it runs.
"""
