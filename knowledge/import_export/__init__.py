"""Import and export of points and branches as tables. An import first shows a preview, which writes nothing."""
