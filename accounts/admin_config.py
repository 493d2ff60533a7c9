"""The configuration of Django's admin app for this project."""

from django.contrib.admin.apps import AdminConfig


class BankAdminConfig(AdminConfig):
    """Django's admin with `BankAdminSite`, which takes rights from `accounts.access` and has no sign-in page of its
    own."""

    default_site = "accounts.admin_site.BankAdminSite"
