"""What each command does: calls one function of a room, and prints.

The command line imports the module of the command alone: the dashboard's image has no libraries for training and
drawing.
"""
