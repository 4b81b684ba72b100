"""Measures of microstructure, each a step that reads like its formula: no topics, clock or files.

Kernels and plain Python call the same steps, as with the indicators (``streams.numeric.shared``):
state is a row of ``new_...`` or an object with the same fields. A measure is ``nan`` until it has
seen enough, and where it is not defined for what it saw.

- ``signing``: who was the aggressor of a trade.
- ``spreads``: quoted, effective and realised spread and impact of a trade, in integers.
- ``markouts``: those of trades whose horizon has passed, summed exactly.
- ``order_flow``: the order-flow event of one level, of several, and the integrated one.
- ``regression``: a line through a window's points; ``kyle``, ``amihud``, ``roll``,
  ``variance_ratio``: price impact, illiquidity, bounce and predictability over windows.
- ``hasbrouck``: impulse response of a vector autoregression; ``solving``: its linear equations.
- ``hawkes``: intensities of self-exciting buys and sells.
- ``weighted_mid``: between the best prices; ``microprice``: Stoikov's adjusted mid.
- ``quote_slope``: the price of size at the touch; ``bulk``: bulk volume classification.
- ``vpin_null``: what VPIN is under noise.
"""
