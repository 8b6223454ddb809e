"""What whoever runs Sluice does with it as a whole: new keys, backups, restoring."""
