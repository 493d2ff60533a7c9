"""The configuration of Django's admin app for this project."""

from django.contrib.admin.apps import AdminConfig


class BankAdminConfig(AdminConfig):
    """Configure Django's admin to use `BankAdminSite` as the default site."""

    default_site = "accounts.admin_site.BankAdminSite"
