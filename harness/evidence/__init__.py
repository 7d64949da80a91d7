"""What is kept of a cell: collectors, redaction, the directory, recordings and their replay."""
