"""What browsers see of conversations while they change."""
