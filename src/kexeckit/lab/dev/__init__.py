"""The lab for developers: campaigns, and the kernel's own code as an oracle. Not shipped."""
