from chat.admin import conversations, emergencies, sites, texts

__all__ = ["conversations", "emergencies", "sites", "texts"]
