from . import cpu
