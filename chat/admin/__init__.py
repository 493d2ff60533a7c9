from chat.admin import conversations, sites, texts

__all__ = ["conversations", "sites", "texts"]
