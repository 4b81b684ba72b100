"""A journal executed again and compared with every byte that was written."""
