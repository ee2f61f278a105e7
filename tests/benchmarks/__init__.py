"""Speed side by side: how a claim is decided here, and what a researcher would write."""
