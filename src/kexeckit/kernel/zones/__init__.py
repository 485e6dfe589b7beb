"""What a kernel makes of memory at boot: which node gets which zone, and where ZONE_MOVABLE begins.

The way through: `parameters` reads the words of the command line, `nodes` gives each piece of memory its node,
`limits` sets the machine-wide zone limits, `movable` finds the first movable page of each node, `spans` cuts the zones,
and `predict` puts it all together.
"""
