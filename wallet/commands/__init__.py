"""The commands of ``sunlit wallet``, by what they are about."""
