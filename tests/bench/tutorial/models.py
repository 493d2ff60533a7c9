from typing import ClassVar

from django.db import models


class Message(models.Model):
    room = models.CharField(max_length=100, db_index=True)
    client_id = models.UUIDField()
    body = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Message"]] = models.Manager()

    class Meta:
        app_label = "tutorial"

    def __str__(self) -> str:
        return self.room
