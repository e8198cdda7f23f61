"""What training costs, and what each part of the method brings."""
