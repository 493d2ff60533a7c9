from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('knowledge', '0002_exams'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='use',
            constraint=models.UniqueConstraint(condition=models.Q(('by', 'box')), fields=('conversation', 'version'), name='shown_once_per_chat'),
        ),
    ]
