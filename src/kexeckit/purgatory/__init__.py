"""The purgatory: freestanding code that runs between the two kernels and lets only an intact one start.

``params`` is what the planner uses; ``build`` is the developer's tool that makes the shipped blob.
"""

from kexeckit.purgatory.params import DigestRegion, OnDamage, Purgatory, load_purgatory

__all__ = ["DigestRegion", "OnDamage", "Purgatory", "load_purgatory"]
