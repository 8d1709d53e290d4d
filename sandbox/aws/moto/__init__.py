"""What moto answers: where its inside is changed, read, or filled."""
