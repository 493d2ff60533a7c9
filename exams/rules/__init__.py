"""Exam rules as pure functions without a database: generate questions, select questions for papers, mark answers."""
