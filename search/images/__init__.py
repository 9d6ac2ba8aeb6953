"""Images as data sets keep them: files, rows of a table, and images that are drawn."""

from search.images.drawn import drawn
from search.images.files import BACKGROUND, FileImages
from search.images.rows import GreyRows, Row, read_table

__all__ = ["BACKGROUND", "FileImages", "GreyRows", "Row", "drawn", "read_table"]
