from django.db import models


class Lease(models.Model):
    """A right that one server process holds until the time `until`, such as the right to run the router.

    `core.leases` takes, renews and releases leases.
    """

    name = models.CharField(max_length=60, primary_key=True)
    holder = models.CharField(max_length=40)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.holder}"
