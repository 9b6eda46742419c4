"""What the browser sees: endpoints, pages and cookies. Flask lives here and in app.py only.

Owns the translation between HTTP and the types of bridge.py and signin.py, and what a refused request is told. Each
file is one family of endpoints and offers `blueprint(...)`; app.py puts them together.
"""
