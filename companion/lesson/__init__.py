"""What the pages of the book need beside the package: claims, figures, data."""
