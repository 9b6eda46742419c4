"""The console: what operators see and do in a browser, one file per page (product O5).

Every page asks the door who is there. What a page does is done by a part below, which the command line uses as well.
"""
