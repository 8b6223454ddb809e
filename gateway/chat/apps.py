"""Django application of the chat's conversations."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Conversations, their messages, and what belongs to them."""

    name = "gateway.chat"
    label = "chat"
    verbose_name = "Chat"
