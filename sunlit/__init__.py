"""The `sunlit` command and the development network."""
