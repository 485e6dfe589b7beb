"""Boot logs: the cleaned messages of one boot, and one file per topic that reads values out of them."""
