"""Who manages which fields: metadata.managedFields on every write, and server-side apply."""

from procorch.api.fieldmanager.apply import Apply
from procorch.api.fieldmanager.options import config_of, is_apply, manager_of
from procorch.api.fieldmanager.scale import apply_scale, update_scale
from procorch.api.fieldmanager.update import Update, keep_times

__all__ = [
    "Apply", "Update", "apply_scale", "config_of", "is_apply", "keep_times", "manager_of", "update_scale",
]  # fmt: skip
