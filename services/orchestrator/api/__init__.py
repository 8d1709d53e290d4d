"""HTTP in, HTTP out: a file for each area. The same decisions as over the bus."""
