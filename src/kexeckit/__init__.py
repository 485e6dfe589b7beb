"""kexeckit: plan, load, rehearse and read the second kernel on Linux (kexec and kdump).

The names below are the public library, described in docs/python.md; everything else may change in any release.
Importing this module is cheap: a name is loaded when it is asked for.
"""

import sys

# What type checkers take for true; `typing` itself would be an import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from kexeckit.api.machine import behaviours_of as behaviours_of
    from kexeckit.api.machine import crash_regions as crash_regions
    from kexeckit.api.machine import open_machine as open_machine
    from kexeckit.api.page_tables import PageTables as PageTables
    from kexeckit.api.page_tables import page_tables as page_tables
    from kexeckit.api.plan import Plan as Plan
    from kexeckit.api.plan import plan as plan
    from kexeckit.api.plan import verify as verify
    from kexeckit.api.reservation import ReservationPrediction as ReservationPrediction
    from kexeckit.api.reservation import predict_reservation as predict_reservation
    from kexeckit.api.zones import ZonesPrediction as ZonesPrediction
    from kexeckit.api.zones import predict_zones as predict_zones
    from kexeckit.errors import InputError as InputError
    from kexeckit.errors import KexeckitError as KexeckitError
    from kexeckit.errors import NotDeterminedError as NotDeterminedError
    from kexeckit.errors import PlanError as PlanError
    from kexeckit.errors import UnavailableError as UnavailableError
    from kexeckit.errors import UsageError as UsageError
    from kexeckit.kernel.behaviour.behaviours import Behaviours as Behaviours
    from kexeckit.kernel.reservation.predict import CrashRegion as Region
    from kexeckit.machine.value import Machine as Machine
    from kexeckit.memory.range import MemRange as Range
    from kexeckit.plan.segment import Segment as Segment

__version__ = "0.1.0"

# Where each name is defined: module below kexeckit, name there.
_HOMES = {
    "Behaviours": ("kernel.behaviour.behaviours", "Behaviours"),
    "InputError": ("errors", "InputError"),
    "KexeckitError": ("errors", "KexeckitError"),
    "Machine": ("machine.value", "Machine"),
    "NotDeterminedError": ("errors", "NotDeterminedError"),
    "PageTables": ("api.page_tables", "PageTables"),
    "Plan": ("api.plan", "Plan"),
    "PlanError": ("errors", "PlanError"),
    "Range": ("memory.range", "MemRange"),
    "Region": ("kernel.reservation.predict", "CrashRegion"),
    "ReservationPrediction": ("api.reservation", "ReservationPrediction"),
    "Segment": ("plan.segment", "Segment"),
    "UnavailableError": ("errors", "UnavailableError"),
    "UsageError": ("errors", "UsageError"),
    "ZonesPrediction": ("api.zones", "ZonesPrediction"),
    "behaviours_of": ("api.machine", "behaviours_of"),
    "crash_regions": ("api.machine", "crash_regions"),
    "open_machine": ("api.machine", "open_machine"),
    "page_tables": ("api.page_tables", "page_tables"),
    "plan": ("api.plan", "plan"),
    "predict_reservation": ("api.reservation", "predict_reservation"),
    "predict_zones": ("api.zones", "predict_zones"),
    "verify": ("api.plan", "verify"),
}

__all__ = [
    "Behaviours",
    "InputError",
    "KexeckitError",
    "Machine",
    "NotDeterminedError",
    "PageTables",
    "Plan",
    "PlanError",
    "Range",
    "Region",
    "ReservationPrediction",
    "Segment",
    "UnavailableError",
    "UsageError",
    "ZonesPrediction",
    "__version__",
    "behaviours_of",
    "crash_regions",
    "open_machine",
    "page_tables",
    "plan",
    "predict_reservation",
    "predict_zones",
    "verify",
]

# A module's __getattr__ would make every misspelt name an object for a type checker.
if not TYPE_CHECKING:

    def __getattr__(name):  # noqa: ANN001, ANN202
        if name not in _HOMES:
            raise AttributeError(f"module 'kexeckit' has no attribute {name!r}")
        found = _load(name)
        # The package `plan` is bound under the same name; see _Package.
        if name != "plan":
            globals()[name] = found
        return found

    def __dir__():  # noqa: ANN202
        return list(__all__)

    def _load(name):  # noqa: ANN001, ANN202
        from importlib import import_module

        module, attribute = _HOMES[name]
        return getattr(import_module(f"kexeckit.{module}"), attribute)

    class _Package(type(sys)):
        # `kexeckit.plan` is the function, whatever was imported before: importing a module of the package `plan` would
        # bind the package here. Imports do not need that binding, they look in sys.modules.

        @property
        def plan(self):  # noqa: ANN202
            return _load("plan")

        @plan.setter
        def plan(self, _package) -> None:  # noqa: ANN001
            return

    sys.modules[__name__].__class__ = _Package
