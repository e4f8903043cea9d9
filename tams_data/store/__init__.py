"""What may be written: commands that check the rules of TAMS, then write in one transaction."""
