"""Pages of the package: what autodoc lists there, and what it leaves out."""


def leave_out(app, what, name, obj, skip, options):
    """Fields of named tuples: the docstring of the class tells what they are."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app):
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
