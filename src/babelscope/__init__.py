"""Which language should training examples be written in, and what does it do to the others?"""
