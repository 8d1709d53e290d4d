"""HTTP in, HTTP out: a file for each area of the domain. Work that takes time answers 202 with its operation's URL."""
