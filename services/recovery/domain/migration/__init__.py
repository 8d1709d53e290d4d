"""Database migrations in one task of their own."""
