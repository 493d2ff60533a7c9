"""`make faults`: see tests/faults/command.py. The cast of the tests is made of Django's models, so that comes first."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.faults.command import main  # noqa: E402

sys.exit(main())
