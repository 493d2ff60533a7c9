"""Exam rules as pure functions without a database: propose questions, draw papers, mark answers."""
