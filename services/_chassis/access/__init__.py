"""Who may use the API: who calls (keys, tokens), what that caller may do (roles), and which requests are served at all.

``guard`` stands before every route and knows who calls; ``permit`` decides, where a route declares the role that it
needs; ``Access`` holds both together for one process, and is where each decision is reported.
"""
