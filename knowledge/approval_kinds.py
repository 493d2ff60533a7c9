"""The names of the kinds of approval that the knowledge app registers (`knowledge.approvals`)."""

VERSION = "knowledge.version"
PHRASINGS = "knowledge.phrasings"
POINT_FILE = "knowledge.point_file"
BRANCH = "knowledge.branch"
