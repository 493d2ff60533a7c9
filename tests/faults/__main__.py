"""Run `make faults`; see tests/faults/command.py. Django is set up first, because tests/people.py imports
Django models."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.faults.command import main  # noqa: E402

sys.exit(main())
