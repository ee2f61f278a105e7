"""What is quantified over: instances drawn so that a claim's assumptions truly hold. Knows no theorem."""
