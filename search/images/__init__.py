"""Images as data sets keep them: files, and rows of a table."""

from search.images.files import BACKGROUND, FileImages
from search.images.rows import GreyRows, Row, read_table

__all__ = ["BACKGROUND", "FileImages", "GreyRows", "Row", "read_table"]
