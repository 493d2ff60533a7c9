from django.contrib.admin.apps import AdminConfig


class BankAdminConfig(AdminConfig):
    """Django's admin, on our site: the rights of `accounts.access`, and one door to sign in."""

    default_site = "accounts.admin_site.BankAdminSite"
