"""What a finished job offers: file download, OPeNDAP and a catalog."""
