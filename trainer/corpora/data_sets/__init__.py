"""One importer for each published data set, and for manifests."""
